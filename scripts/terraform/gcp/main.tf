# What the service needs of Google Cloud beside a cluster of GKE that exists: a key for its volumes, daily snapshots, and a bucket for exported
# audit logs that nobody can shorten. The service itself calls no API of Google Cloud.

terraform {
  required_version = ">= 1.6"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

data "google_project" "this" {}

# The volume of the StatefulSet. Whoever may not use this key reads no snapshot either.
resource "google_kms_key_ring" "hq" {
  name     = "hq"
  location = var.region
}

resource "google_kms_crypto_key" "volumes" {
  name            = "volumes"
  key_ring        = google_kms_key_ring.hq.id
  rotation_period = "7776000s"

  lifecycle {
    prevent_destroy = true
  }
}

# Disks are encrypted by the service agent of Compute Engine.
resource "google_kms_crypto_key_iam_member" "volumes" {
  crypto_key_id = google_kms_crypto_key.volumes.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:service-${data.google_project.this.number}@compute-system.iam.gserviceaccount.com"
}

# Daily snapshots; put the policy on the disk when it is there (scripts/README.md). An erased dataset is gone for good when the last of
# them has expired.
resource "google_compute_resource_policy" "daily" {
  name   = "hq-daily"
  region = var.region

  snapshot_schedule_policy {
    schedule {
      daily_schedule {
        days_in_cycle = 1
        start_time    = "04:00"
      }
    }
    retention_policy {
      max_retention_days    = var.snapshot_days
      on_source_disk_delete = "APPLY_RETENTION_POLICY"
    }
    snapshot_properties {
      labels = { application = "hq" }
    }
  }
}

# Exported audit logs and their heads. The auditor writes them; until the period ends nobody removes or changes them.
resource "google_storage_bucket" "audit" {
  name                        = "hq-audit-${var.project}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  retention_policy {
    retention_period = var.audit_days * 86400
    is_locked        = var.audit_locked
  }
}
