"""The nouns, frozen: versions, manifests, deployments and what is known of them."""
