"""Figures of quantimed: robust and communication-efficient collaborative learning (QuanTimed-DSGD)."""
