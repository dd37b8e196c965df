variable "project" {
  description = "Project of everything"
  type        = string
}

variable "region" {
  description = "Where everything is"
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

variable "audit_locked" {
  description = "Whether that period can no longer be shortened; there is no way back"
  type        = bool
  default     = false
}
