"""Three instances of Fapws behind each balancer of conf/cluster/: `make fleet`."""
