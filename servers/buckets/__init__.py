"""Object stores that speak S3: where speech can be put instead of into a reply."""
