"""What `daeda doctor` looks at: this host, what is installed, and what a project reaches. Nothing is changed."""
