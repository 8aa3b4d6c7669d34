# TLS, the name, and which path leads where.

mock_provider "aws" {
  source = "./tests/mocks"
}

# Target groups that can be told from each other.

override_resource {
  target = aws_lb_target_group.function["reception"]
  values = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/skylark-speech-reception/1" }
}

override_resource {
  target = aws_lb_target_group.function["machine"]
  values = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/skylark-speech-machine/1" }
}

variables {
  domain_name = "speech.example.com"
  dns_zone    = { id = "Z0123456789" }
}

run "it_ends_tls_and_leads_each_path_to_its_service" {
  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && aws_lb_listener.https.port == 443
    error_message = "Clients are answered by HTTPS."
  }

  assert {
    condition     = aws_lb_listener.https.ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "The policy knows TLS 1.3 and 1.2 only."
  }

  assert {
    condition     = aws_lb_listener.https.certificate_arn == aws_acm_certificate.this[0].arn && aws_acm_certificate.this[0].domain_name == "speech.example.com"
    error_message = "The certificate is the name's."
  }

  assert {
    condition     = aws_acm_certificate.this[0].validation_method == "DNS"
    error_message = "The certificate is proved in the zone."
  }

  assert {
    condition     = aws_lb_listener.redirect.port == 80 && one(one(aws_lb_listener.redirect.default_action).redirect).protocol == "HTTPS"
    error_message = "Port 80 answers with a redirect."
  }

  assert {
    condition     = aws_lb.this.idle_timeout > var.longest_request_s && aws_lb.this.idle_timeout <= 4000
    error_message = "A request may take as long as the appliance lets it."
  }

  assert {
    condition     = aws_lb.this.drop_invalid_header_fields && !aws_lb.this.internal
    error_message = "Headers that are none are dropped, and clients come from outside."
  }

  assert {
    condition     = aws_route53_record.name[0].name == "speech.example.com" && one(aws_route53_record.name[0].alias).name == aws_lb.this.dns_name
    error_message = "The name is an alias of the load balancer."
  }

  assert {
    condition     = output.url == "https://speech.example.com"
    error_message = "Clients are told the name."
  }

  assert {
    condition = { for key, group in aws_lb_target_group.machine : group.name => group.port } == {
      skylark-speech-tts-blue       = 5000
      skylark-speech-whisperx-blue  = 5001
      skylark-speech-jobs-blue      = 5002
      skylark-speech-tts-green      = 5100
      skylark-speech-whisperx-green = 5101
      skylark-speech-jobs-green     = 5102
    }
    error_message = "The ports are those of the places."
  }

  assert {
    condition = { for key, group in aws_lb_target_group.machine : key => one(group.health_check).path } == {
      tts-blue  = "/ready", whisperx-blue = "/ready", jobs-blue = "/health"
      tts-green = "/ready", whisperx-green = "/ready", jobs-green = "/health"
    }
    error_message = "A door is healthy once it is ready."
  }

  assert {
    condition     = alltrue([for key, group in aws_lb_target_group.machine : one(group.health_check).matcher == "200"])
    error_message = "Only 200 is healthy."
  }

  assert {
    condition     = { for name, rule in aws_lb_listener_rule.function : name => rule.priority } == { machine = 10, reception = 20 }
    error_message = "The functions' rules come first."
  }

  assert {
    condition = alltrue([
      for name, rule in aws_lb_listener_rule.function : one(rule.action).target_group_arn == aws_lb_target_group.function[name].arn
    ])
    error_message = "Each leads to its own function."
  }

  assert {
    condition = alltrue([
      for rule in values(aws_lb_listener_rule.switchable) : one(rule.action).target_group_arn == aws_lb_target_group.function["reception"].arn
    ])
    error_message = "Until a machine is there, the reception answers."
  }

  assert {
    condition = { for service, rule in aws_lb_listener_rule.switchable : service => one(one([
      for condition in rule.condition : condition.path_pattern if length(condition.path_pattern) > 0
      ])).values } == {
      tts      = toset(["/tts/*", "/v1/*", "/generate_batch", "/cpu/*"])
      whisperx = toset(["/whisperx/*", "/transcribe*", "/align*"])
      jobs     = toset(["/jobs*", "/queue", "/models*"])
    }
    error_message = "Each path leads to the service that has it."
  }

  assert {
    condition     = max([for rule in values(aws_lb_listener_rule.place) : rule.priority]...) < min([for rule in values(aws_lb_listener_rule.switchable) : rule.priority]...)
    error_message = "The header goes before the paths."
  }

  assert {
    condition = alltrue([
      for rule in concat(values(aws_lb_listener_rule.place), values(aws_lb_listener_rule.switchable), values(aws_lb_listener_rule.function)) :
      sum([for condition in rule.condition : length(flatten(condition.path_pattern[*].values)) + length(flatten(condition.http_header[*].values))]) <= 5
    ])
    error_message = "A rule has five values at the most."
  }

  assert {
    condition     = length(jsondecode(output.routes)) == 3
    error_message = "The functions are told of three rules."
  }
}

run "a_request_that_no_load_balancer_waits_for_is_refused" {
  command = plan

  variables {
    longest_request_s = 4000
  }

  expect_failures = [var.longest_request_s]
}

run "a_certificate_that_there_is_needs_no_zone" {
  variables {
    dns_zone    = null
    certificate = { arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
  }

  assert {
    condition     = aws_lb_listener.https.certificate_arn == "arn:aws:acm:eu-central-1:123456789012:certificate/1"
    error_message = "The certificate is the one that was given."
  }

  assert {
    condition     = length(aws_acm_certificate.this) + length(aws_route53_record.name) == 0
    error_message = "Nothing is made in a zone."
  }
}

run "without_a_zone_and_a_certificate_there_is_no_tls" {
  command = plan

  variables {
    dns_zone = null
  }

  expect_failures = [var.certificate]
}

run "an_old_tls_policy_is_refused" {
  command = plan

  variables {
    tls_policy = "ELBSecurityPolicy-2016-08"
  }

  expect_failures = [var.tls_policy]
}

run "a_name_is_short_enough_for_a_target_group" {
  command = plan

  variables {
    name = "speech-prod"
  }

  expect_failures = [var.name]
}
