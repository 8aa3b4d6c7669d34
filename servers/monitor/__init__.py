"""What is published of the machine to CloudWatch: what decides, and what people look at."""
