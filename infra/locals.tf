locals {
  full_name  = "skylark-${var.name}"
  parameters = "/skylark/${var.name}"
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.name
  tags       = merge({ Appliance = var.name }, var.tags)

  # The places of the machine, as scripts/switch-image has them, and the ports of the services in each.
  colours  = ["blue", "green"]
  services = ["tts", "whisperx", "jobs"]
  ports = {
    blue  = { tts = 5000, whisperx = 5001, jobs = 5002 }
    green = { tts = 5100, whisperx = 5101, jobs = 5102 }
  }
  targets = merge([
    for colour in local.colours : {
      for service in local.services : "${service}-${colour}" => {
        service = service
        colour  = colour
        port    = local.ports[colour][service]
      }
    }
  ]...)

  # Which paths are whose. A rule has five values at the most, and those of a place have its header as one.
  paths = {
    tts      = ["/tts/*", "/v1/*", "/generate_batch", "/cpu/*"]
    whisperx = ["/whisperx/*", "/transcribe*", "/align*"]
    jobs     = ["/jobs*", "/queue", "/models*"]
  }
  place_priorities = { for index, key in sort(keys(local.targets)) : key => 100 + index }
  priorities       = { for index, service in local.services : service => 200 + index }

  # The GPUs of the families of instances: what they compute in, and how much of their memory models may have, by what
  # models.yaml says that each takes. The T4 has 16 GB and no bfloat16; models.cuda.yaml's two just fit.
  gpus = {
    g4dn = { gpu = "T4", dtype = "float16", vram_mb = 16000, max_models = 2 }
    g5   = { gpu = "A10G", dtype = "bfloat16", vram_mb = 22000, max_models = 4 }
    g6   = { gpu = "L4", dtype = "bfloat16", vram_mb = 22000, max_models = 4 }
    g6e  = { gpu = "L40S", dtype = "bfloat16", vram_mb = 44000, max_models = 6 }
    p5   = { gpu = "H100", dtype = "bfloat16", vram_mb = 78000, max_models = 8 }
  }

  # What the models take that each place loads at its start, by config/models.cuda.yaml: whether a release can run both
  # places at once, on each GPU that the machine may have.
  preloaded_mb = 16000
  fits_two     = alltrue([for type in local.wanted_types : local.gpus[split(".", type)[0]].vram_mb >= 2 * local.preloaded_mb])
}
