"""What a project declares: feature views, feature services, and the project that holds them."""
