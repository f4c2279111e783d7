"""Functions of the user: loaded from source, told apart by their code, called, kept from changing the process."""
