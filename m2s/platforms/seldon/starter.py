"""A deploy.yaml to begin with."""

TEXT = """\
# Log this file with the model, as deploy.yaml:  mlflow.log_artifact("deploy.yaml")
# The name is MODEL-STAGE or MODEL-ALIAS, unless metadata.name says another one.
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
spec:
  predictors:
    - name: default
      replicas: 1
      graph:
        name: classifier
        type: MODEL
        implementation: MLFLOW_SERVER
        modelUri: "" # m2s writes the version's location here
        # envSecretRefName: model-store  # a Secret with RCLONE_CONFIG_S3_TYPE, …
        # serviceAccountName: models
      componentSpecs:
        - spec:
            containers:
              - name: classifier
                # The server installs the model's environment: that may take half an hour.
                startupProbe:
                  tcpSocket: {port: http}
                  periodSeconds: 10
                  failureThreshold: 180
                # resources:
                #   requests: {cpu: 500m, memory: 1Gi}
                #   limits: {memory: 1Gi, nvidia.com/gpu: 1}
            # nodeSelector: {accelerator: nvidia}
            # tolerations: [{key: nvidia.com/gpu, operator: Exists}]
      progressDeadlineSeconds: 2400
"""
