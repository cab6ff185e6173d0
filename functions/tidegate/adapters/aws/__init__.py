"""Step Functions, EventBridge, S3 and ECS behind the ports."""
