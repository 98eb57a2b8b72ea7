"""A deploy.yaml to begin with."""

TEXT = """\
# Log this file with the model, as deploy.yaml:  mlflow.log_artifact("deploy.yaml")
# The name is MODEL-STAGE or MODEL-ALIAS, unless metadata.name says another one.
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  annotations:
    serving.kserve.io/deploymentMode: Standard # RawDeployment before KServe 0.17
spec:
  predictor:
    minReplicas: 1
    # serviceAccountName: models  # its Secrets have the store's credentials
    model:
      modelFormat: {name: mlflow}
      protocolVersion: v2
      storageUri: "" # m2s writes the version's location here
      # resources:
      #   requests: {cpu: 500m, memory: 1Gi}
      #   limits: {memory: 1Gi, nvidia.com/gpu: 1}
    # nodeSelector: {accelerator: nvidia}
    # tolerations: [{key: nvidia.com/gpu, operator: Exists}]
"""
