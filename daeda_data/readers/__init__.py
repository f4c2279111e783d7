"""Training data opened in one library each; nothing else of the package imports the library."""
