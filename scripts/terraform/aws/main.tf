# What the service needs of AWS beside a cluster of EKS that exists: a key for its volumes, the identity of the driver that uses it, daily
# snapshots, and a bucket for exported audit logs that nobody can shorten. The service itself calls no API of AWS.

terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { application = "hq" }
  }
}

data "aws_caller_identity" "this" {}

# The volume of the StatefulSet. Whoever may not use this key reads no snapshot either.
resource "aws_kms_key" "volumes" {
  description             = "Volumes and snapshots of hq-server"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_kms_alias" "volumes" {
  name          = "alias/hq-volumes"
  target_key_id = aws_kms_key.volumes.key_id
}

# The EBS driver of the cluster, by EKS Pod Identity: no key stands in a file.
data "aws_iam_policy_document" "pods" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "ebs_driver" {
  name               = "hq-ebs-csi-driver"
  assume_role_policy = data.aws_iam_policy_document.pods.json
}

resource "aws_iam_role_policy_attachment" "ebs_driver" {
  role       = aws_iam_role.ebs_driver.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
}

data "aws_iam_policy_document" "volume_key" {
  statement {
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*"]
    resources = [aws_kms_key.volumes.arn]
  }
  statement {
    actions   = ["kms:CreateGrant"]
    resources = [aws_kms_key.volumes.arn]
    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }
}

resource "aws_iam_role_policy" "volume_key" {
  name   = "volume-key"
  role   = aws_iam_role.ebs_driver.id
  policy = data.aws_iam_policy_document.volume_key.json
}

resource "aws_eks_pod_identity_association" "ebs_driver" {
  cluster_name    = var.cluster
  namespace       = "kube-system"
  service_account = "ebs-csi-controller-sa"
  role_arn        = aws_iam_role.ebs_driver.arn
}

# Daily snapshots of volumes with the tag of the storage class. An erased dataset is gone for good when the last of them has expired.
data "aws_iam_policy_document" "snapshots" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["dlm.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "snapshots" {
  name               = "hq-snapshots"
  assume_role_policy = data.aws_iam_policy_document.snapshots.json
}

resource "aws_iam_role_policy_attachment" "snapshots" {
  role       = aws_iam_role.snapshots.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSDataLifecycleManagerServiceRole"
}

resource "aws_dlm_lifecycle_policy" "daily" {
  description        = "Daily snapshots of hq-server"
  execution_role_arn = aws_iam_role.snapshots.arn
  state              = "ENABLED"

  policy_details {
    resource_types = ["VOLUME"]
    target_tags    = { backup = "hq" }

    schedule {
      name      = "daily"
      copy_tags = true
      create_rule {
        interval      = 24
        interval_unit = "HOURS"
        times         = ["02:00"]
      }
      retain_rule {
        count = var.snapshot_days
      }
    }
  }
}

# Exported audit logs and their heads. The auditor writes them; until the period ends nobody removes or changes them.
resource "aws_s3_bucket" "audit" {
  bucket              = "hq-audit-${data.aws_caller_identity.this.account_id}-${var.region}"
  object_lock_enabled = true
}

resource "aws_s3_bucket_versioning" "audit" {
  bucket = aws_s3_bucket.audit.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "audit" {
  bucket = aws_s3_bucket.audit.id
  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = var.audit_days
    }
  }
  depends_on = [aws_s3_bucket_versioning.audit]
}

resource "aws_s3_bucket_server_side_encryption_configuration" "audit" {
  bucket = aws_s3_bucket.audit.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "aws:kms"
    }
    bucket_key_enabled = true
  }
}

resource "aws_s3_bucket_public_access_block" "audit" {
  bucket                  = aws_s3_bucket.audit.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
