output "volume_key" {
  description = "For `kmsKeyId` of the storage class"
  value       = aws_kms_key.volumes.arn
}

output "audit_bucket" {
  description = "Where auditors put exported logs"
  value       = aws_s3_bucket.audit.bucket
}

output "objects_bucket" {
  description = "For `HQ_SERVER_OBJECTS` of overlays/aws-bucket"
  value       = aws_s3_bucket.objects.bucket
}

output "service_role" {
  description = "For the service account of overlays/aws-bucket"
  value       = aws_iam_role.service.arn
}
