"""Design, check and compare straggler-tolerant, communication-efficient distributed learning."""

__version__ = "0.1.0"
