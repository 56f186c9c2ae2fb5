"""Adapters: other libraries' models as segmenters. Each module loads its library when it is used."""
