"""A deploy.yaml to begin with: what m2s writes itself for a model of Python 3.11."""

TEXT = """\
# Log this file with the model, as deploy.yaml:  mlflow.log_artifact("deploy.yaml")
# The name is MODEL-STAGE or MODEL-ALIAS, unless metadata.name says another. The Service is implied.
apiVersion: apps/v1
kind: Deployment
spec:
  replicas: 1
  progressDeadlineSeconds: 2400
  template:
    spec:
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      initContainers:
        - name: model # brings the model to /mnt/models
          image: docker.io/seldonio/rclone-storage-initializer:1.17.1
          args: [$(MODEL_URI), /mnt/models]
          env:
            - name: MODEL_URI # m2s writes the version's location here
          # envFrom: [{secretRef: {name: model-store}}]  # RCLONE_CONFIG_S3_TYPE, …
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: model, mountPath: /mnt/models}]
      containers:
        - name: server # MLflow's own, which installs the model's requirements
          image: python:3.11-slim # the Python that the model was logged with
          command:
            - sh
            - -euc
            - |
              python -m venv "$HOME/venv"
              export PATH="$HOME/venv/bin:$PATH"
              pip install --no-input --no-cache-dir -r /mnt/models/requirements.txt
              exec mlflow models serve -m /mnt/models --env-manager local -h 0.0.0.0 -p 8080
          env:
            - {name: HOME, value: /home/m2s}
            - {name: USER, value: m2s}
          ports: [{name: http, containerPort: 8080}]
          startupProbe: # half an hour for the installation
            httpGet: {path: /ping, port: http}
            periodSeconds: 5
            failureThreshold: 360
          readinessProbe:
            httpGet: {path: /ping, port: http}
          livenessProbe:
            httpGet: {path: /ping, port: http}
            periodSeconds: 20
            timeoutSeconds: 20
            failureThreshold: 6
          lifecycle: {preStop: {exec: {command: [sleep, "10"]}}}
          # resources:
          #   requests: {cpu: 500m, memory: 1Gi}
          #   limits: {memory: 1Gi, nvidia.com/gpu: 1}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
          volumeMounts:
            - {name: model, mountPath: /mnt/models, readOnly: true}
            - {name: home, mountPath: /home/m2s}
            - {name: tmp, mountPath: /tmp}
      # nodeSelector: {accelerator: nvidia}
      # tolerations: [{key: nvidia.com/gpu, operator: Exists}]
      volumes:
        - {name: model, emptyDir: {}}
        - {name: home, emptyDir: {}}
        - {name: tmp, emptyDir: {}}
"""
