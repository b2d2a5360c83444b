"""The library call behind each verb; command line and report only render what it returns."""
