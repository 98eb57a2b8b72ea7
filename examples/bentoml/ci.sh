#!/bin/sh
# An image for each version, built where a version is registered: ci.sh iris 3
# It needs docker, m2s, MLflow's client, and MLFLOW_TRACKING_URI.
set -eu
model=$1 version=$2 image=registry.example.com/$1:$2
rm -rf model
m2s fetch "models:/$model/$version" model
docker build -t "$image" .
docker push "$image"
python -c "
import sys, mlflow
mlflow.MlflowClient().set_model_version_tag(sys.argv[1], sys.argv[2], 'm2s.io/image', sys.argv[3])
" "$model" "$version" "$image"
