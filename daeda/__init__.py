"""The core and the driver: settings, catalog, operators, compiler, SQL, dataset contract, command line."""
