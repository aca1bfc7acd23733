"""One module per actor's goal; each method is one transaction."""
