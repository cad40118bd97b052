"""Figures and tables of compskip: a network in place of ResNet-50, and ImageNet's gigabytes as exact arithmetic."""
