"""What views read: files and tables of databases; listed, identified, and checked by their footers."""
