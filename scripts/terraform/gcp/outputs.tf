output "volume_key" {
  description = "For `disk-encryption-kms-key` of the storage class"
  value       = google_kms_crypto_key.volumes.id
}

output "audit_bucket" {
  description = "Where auditors put exported logs"
  value       = google_storage_bucket.audit.name
}

output "objects_bucket" {
  description = "For `HQ_SERVER_OBJECTS` of overlays/gcp-bucket"
  value       = google_storage_bucket.objects.name
}

output "service_account" {
  description = "For the service account of overlays/gcp-bucket"
  value       = google_service_account.service.email
}
