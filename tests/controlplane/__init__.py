"""Where the tests' kube-apiserver and etcd come from."""
