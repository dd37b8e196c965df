output "volume_key" {
  description = "For `disk-encryption-kms-key` of the storage class"
  value       = google_kms_crypto_key.volumes.id
}

output "audit_bucket" {
  description = "Where auditors put exported logs"
  value       = google_storage_bucket.audit.name
}
