variable "region" {
  description = "Where everything is"
  type        = string
}

variable "cluster" {
  description = "Name of the EKS cluster, with the EBS driver and Pod Identity as add-ons"
  type        = string
}

variable "snapshot_days" {
  description = "Daily snapshots that are kept"
  type        = number
  default     = 14
}

variable "audit_days" {
  description = "Days for which exported audit logs cannot be removed; six years by default, as HIPAA keeps documentation"
  type        = number
  default     = 2192
}
