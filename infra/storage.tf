# What is kept: the bucket, the table, the images, and the parameters.

locals {
  bucket_name        = "${local.full_name}-${local.account_id}"
  api_keys_parameter = "${local.parameters}/api_keys"
  holds_path         = "${local.parameters}/holds"
}

resource "aws_s3_bucket" "this" {
  bucket        = local.bucket_name
  force_destroy = var.force_destroy
  tags          = local.tags
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  dynamic "rule" {
    # A body goes when its work has ended, and so late only where nothing could be started, or where it was left behind.
    for_each = { "accepted/" = 90, "results/" = var.accepted_days, "audio/" = var.audio_days }

    content {
      id     = trimsuffix(rule.key, "/")
      status = "Enabled"

      filter {
        prefix = rule.key
      }

      expiration {
        days = rule.value
      }
    }
  }

  rule {
    id     = "unfinished"
    status = "Enabled"

    filter {
      prefix = ""
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket     = aws_s3_bucket.this.id
  depends_on = [aws_s3_bucket_public_access_block.this]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTLS"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.arns.bucket, "${local.arns.bucket}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_dynamodb_table" "this" {
  name                        = local.full_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "kind"
  range_key                   = "id"
  deletion_protection_enabled = var.deletion_protection
  tags                        = local.tags

  attribute {
    name = "kind"
    type = "S"
  }

  attribute {
    name = "id"
    type = "S"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}

resource "aws_ecr_repository" "this" {
  name                 = local.full_name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_destroy
  tags                 = local.tags

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    # An image is the first rule's that names it: what serves, which scripts/release tags so, is expired by none of the
    # others, however many were pushed since. Three are the one that serves, the one before, and the one that comes.
    rules = [
      {
        rulePriority = 1
        description  = "All but the latest that served"
        selection    = { tagStatus = "tagged", tagPrefixList = ["served-"], countType = "imageCountMoreThan", countNumber = 3 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "Pushes that did not end"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 1 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 3
        description  = "All but the latest"
        selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.kept_images }
        action       = { type = "expire" }
      },
    ]
  })
}

# Which image is in which place, and which of them serves: scripts/release writes it.
resource "aws_ssm_parameter" "release" {
  name        = "${local.parameters}/release"
  description = "The images of the two places, and which of them serves"
  type        = "String"
  value       = jsonencode({ live = "blue", blue = "", green = "" })
  tags        = local.tags

  lifecycle {
    ignore_changes = [value]
  }
}

# The hashes of API keys, as SKYLARK_API_KEYS has them: out of the variable, or people's to set.
resource "aws_ssm_parameter" "api_keys" {
  count       = nonsensitive(var.api_keys == null) ? 0 : 1
  name        = local.api_keys_parameter
  description = "API keys as id:sha256,id:sha256"
  type        = "SecureString"
  tier        = "Intelligent-Tiering" # more than 4 KB of them cost $0.05 a month
  value       = join(",", [for id in sort(keys(var.api_keys)) : "${id}:${var.api_keys[id]}"])
  tags        = local.tags
}

resource "aws_ssm_parameter" "api_keys_of_people" {
  count       = nonsensitive(var.api_keys == null) ? 1 : 0
  name        = local.api_keys_parameter
  description = "API keys as id:sha256,id:sha256"
  type        = "SecureString"
  tier        = "Intelligent-Tiering" # more than 4 KB of them cost $0.05 a month
  value       = "unset"
  tags        = local.tags

  lifecycle {
    ignore_changes = [value]
  }
}
