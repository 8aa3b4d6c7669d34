# What the machine runs: scripts, units of systemd, and settings. Nothing of it is secret.

locals {
  # Settings that are the same on every GPU.
  common_settings = {
    AWS_REGION                        = local.region
    SKYLARK_MONITOR__APPLIANCE        = var.name
    SKYLARK_CLOUD__TABLE              = local.full_name
    SKYLARK_CLOUD__BUCKET             = local.bucket_name
    SKYLARK_CLOUD__HOLD_PARAMETER     = local.holds_path
    SKYLARK_CLOUD__RELEASE_PARAMETER  = aws_ssm_parameter.release.name
    SKYLARK_S3__BUCKET                = local.bucket_name
    SKYLARK_ENGINE__HOST              = "0.0.0.0"
    SKYLARK_ENGINE__PORT              = "5002"
    SKYLARK_LIMITS__REQUEST_TIMEOUT_S = tostring(var.longest_request_s)
    SKYLARK_WEB__IDLE_S               = tostring(var.longest_request_s + 75) # over the load balancer's
    SKYLARK_CLOUD__VOLUME_GOES        = tostring(local.is_fleet)
  }

  # One file for each family that the machine may be of: which it is, it sees when it starts.
  families = toset([for type in var.instance_types : split(".", type)[0]])
  settings = {
    for family in local.families : family => merge(
      local.common_settings,
      {
        SKYLARK_ENGINE__DTYPE      = local.gpus[family].dtype
        SKYLARK_ENGINE__VRAM_MB    = tostring(local.gpus[family].vram_mb)
        SKYLARK_ENGINE__MAX_MODELS = tostring(local.gpus[family].max_models)
      },
      var.settings,
    )
  }

  appliance_file = join("\n", [
    "export AWS_DEFAULT_REGION=${local.region}",
    "TABLE=${local.full_name}",
    "REPOSITORY=${aws_ecr_repository.this.repository_url}",
    "RELEASE_PARAMETER=${aws_ssm_parameter.release.name}",
    "KEYS_PARAMETER=${local.api_keys_parameter}",
    "STATE_VOLUME=${local.is_fleet ? "" : aws_ebs_volume.state[0].id}",
  ])

  scripts = fileset("${path.module}/user_data", "skylark-*")
  units   = fileset("${path.module}/user_data", "*.service")

  user_data = templatefile("${path.module}/user_data/user_data.tftpl", {
    files = merge(
      { for name in local.scripts : "/usr/local/bin/${name}" => { mode = "755", text = file("${path.module}/user_data/${name}") } },
      { for name in local.units : "/etc/systemd/system/${name}" => { mode = "644", text = file("${path.module}/user_data/${name}") } },
      { "/etc/skylark/appliance" = { mode = "644", text = local.appliance_file } },
      {
        for family, settings in local.settings : "/etc/skylark/settings.${family}" => {
          mode = "644", text = join("\n", [for key in sort(keys(settings)) : "${key}=${settings[key]}"])
        }
      },
    )
  })

  user_data_bytes    = length(base64encode(local.user_data)) / 4 * 3 # two less at the most
  too_much_user_data = "User data has ${local.user_data_bytes} bytes, and EC2 takes 16384: fewer settings are needed, or fewer families in instance_types."
}
