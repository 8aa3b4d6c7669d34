"""The Lambda that stops the idle machine; its archive holds this folder, and it needs only boto3."""
