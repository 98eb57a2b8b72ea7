"""Where the tests' kube-controller-manager and kube-scheduler come from, and what starts them."""
