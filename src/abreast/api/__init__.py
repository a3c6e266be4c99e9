"""The Python API: what `import abreast` offers. Its functions do what the commands of the same name do."""
