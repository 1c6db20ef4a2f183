"""What is done with a request, whatever protocol it came by: admission, the work, the charge."""
