"""Every figure and table of the papers: a package a paper, a module a figure, and beside them what all share."""
