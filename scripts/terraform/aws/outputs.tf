output "volume_key" {
  description = "For `kmsKeyId` of the storage class"
  value       = aws_kms_key.volumes.arn
}

output "audit_bucket" {
  description = "Where auditors put exported logs"
  value       = aws_s3_bucket.audit.bucket
}
