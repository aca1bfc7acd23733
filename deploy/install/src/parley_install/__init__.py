"""What an installation needs besides the images. Nothing of it runs when the suite does."""
