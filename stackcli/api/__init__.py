"""The functions of `import stackcli as sa`: keyword arguments -> the words of a command -> an object."""
