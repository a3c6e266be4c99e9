"""What abreast does to its own process and to its libraries."""
