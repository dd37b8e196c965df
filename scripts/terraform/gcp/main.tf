# What the service needs of Google Cloud beside a cluster of GKE that exists: a key for its volumes, daily snapshots, a bucket for exported
# audit logs that nobody can shorten, and a bucket for objects with the identity that reads and writes it. Without the latter the service
# calls no API of Google Cloud.

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

# Objects, for overlays/gcp-bucket: ciphertexts, keys and results, each sealed by the service already. No versions are kept, and what is
# removed is gone at once: what is erased has to be gone.
resource "google_storage_bucket" "objects" {
  name                        = "hq-objects-${var.project}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  encryption {
    default_kms_key_name = google_kms_crypto_key.objects.id
  }
  soft_delete_policy {
    retention_duration_seconds = 0
  }
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 2
    }
  }
  depends_on = [google_kms_crypto_key_iam_member.objects]
}

resource "google_kms_crypto_key" "objects" {
  name            = "objects"
  key_ring        = google_kms_key_ring.hq.id
  rotation_period = "7776000s"

  lifecycle {
    prevent_destroy = true
  }
}

# Objects are encrypted by the service agent of Cloud Storage.
data "google_storage_project_service_account" "this" {}

resource "google_kms_crypto_key_iam_member" "objects" {
  crypto_key_id = google_kms_crypto_key.objects.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${data.google_storage_project_service_account.this.email_address}"
}

# The identity of the pod, by the service account `hq-server` in the namespace `hq`: that bucket, and nothing else.
resource "google_service_account" "service" {
  account_id   = "hq-server"
  display_name = "hq-server"
}

resource "google_service_account_iam_member" "service" {
  service_account_id = google_service_account.service.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[hq/hq-server]"
}

resource "google_storage_bucket_iam_member" "objects" {
  bucket = google_storage_bucket.objects.name
  role   = "roles/storage.objectUser"
  member = "serviceAccount:${google_service_account.service.email}"
}
