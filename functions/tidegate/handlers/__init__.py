"""One thin module for each Lambda function or ECS entry point."""
