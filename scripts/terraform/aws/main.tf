# What the service needs of AWS beside a cluster of EKS that exists: a key for its volumes, the identity of the driver that uses it, daily
# snapshots, a bucket for exported audit logs that nobody can shorten, and a bucket for objects with the role that reads and writes it. Without
# the latter the service calls no API of AWS.

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

# Objects, for overlays/aws-bucket: ciphertexts, keys and results, each sealed by the service already. No versions are kept: what is erased
# has to be gone.
resource "aws_s3_bucket" "objects" {
  bucket = "hq-objects-${data.aws_caller_identity.this.account_id}-${var.region}"
}

resource "aws_s3_bucket_server_side_encryption_configuration" "objects" {
  bucket = aws_s3_bucket.objects.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.objects.arn
    }
    bucket_key_enabled = true
  }
}

resource "aws_s3_bucket_public_access_block" "objects" {
  bucket                  = aws_s3_bucket.objects.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# Uploads in parts that a killed service left.
resource "aws_s3_bucket_lifecycle_configuration" "objects" {
  bucket = aws_s3_bucket.objects.id
  rule {
    id     = "broken-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

resource "aws_kms_key" "objects" {
  description             = "Objects of hq-server"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

# The role of the pod, by the service account `hq-server` in the namespace `hq`: that bucket, and nothing else.
data "aws_eks_cluster" "this" {
  name = var.cluster
}

data "aws_iam_openid_connect_provider" "cluster" {
  url = data.aws_eks_cluster.this.identity[0].oidc[0].issuer
}

data "aws_iam_policy_document" "service_account" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [data.aws_iam_openid_connect_provider.cluster.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${trimprefix(data.aws_iam_openid_connect_provider.cluster.url, "https://")}:sub"
      values   = ["system:serviceaccount:hq:hq-server"]
    }
    condition {
      test     = "StringEquals"
      variable = "${trimprefix(data.aws_iam_openid_connect_provider.cluster.url, "https://")}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "service" {
  name               = "hq-server"
  assume_role_policy = data.aws_iam_policy_document.service_account.json
}

data "aws_iam_policy_document" "objects" {
  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.objects.arn]
  }
  statement {
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.objects.arn}/hq/*"]
  }
  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.objects.arn]
  }
}

resource "aws_iam_role_policy" "objects" {
  name   = "objects"
  role   = aws_iam_role.service.id
  policy = data.aws_iam_policy_document.objects.json
}
