# The load balancer: TLS, the name, the target groups, and which path leads where.

resource "aws_lb" "this" {
  name                       = local.full_name
  internal                   = var.internal
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.balancer.id]
  subnets                    = local.balancer_subnet_ids
  idle_timeout               = var.longest_request_s + 60
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  tags                       = local.tags
}

# The name and its certificate

resource "aws_acm_certificate" "this" {
  count             = var.certificate == null ? 1 : 0
  domain_name       = var.domain_name
  validation_method = "DNS"
  tags              = local.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "proof" {
  count           = var.certificate == null ? 1 : 0
  zone_id         = var.dns_zone.id
  name            = one(aws_acm_certificate.this[0].domain_validation_options).resource_record_name
  type            = one(aws_acm_certificate.this[0].domain_validation_options).resource_record_type
  records         = [one(aws_acm_certificate.this[0].domain_validation_options).resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count                   = var.certificate == null ? 1 : 0
  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = aws_route53_record.proof[*].fqdn
}

resource "aws_route53_record" "name" {
  count   = var.dns_zone == null ? 0 : 1
  zone_id = var.dns_zone.id
  name    = var.domain_name
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }
}

# The listeners

resource "aws_lb_listener" "redirect" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"
  tags              = local.tags

  default_action {
    type = "redirect"

    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = var.tls_policy
  certificate_arn   = var.certificate == null ? aws_acm_certificate_validation.this[0].certificate_arn : var.certificate.arn
  tags              = local.tags

  default_action {
    type = "fixed-response"

    fixed_response {
      status_code  = "404"
      content_type = "application/json"
      message_body = jsonencode({ error = { code = "not_found", message = "no server has this path", param = null, request_id = null } })
    }
  }
}

# The target groups: one for each service and place, and two of functions

resource "aws_lb_target_group" "machine" {
  for_each             = local.targets
  name                 = "${local.full_name}-${each.key}"
  vpc_id               = local.vpc_id
  target_type          = "instance"
  protocol             = "HTTP"
  port                 = each.value.port
  deregistration_delay = 105
  tags                 = local.tags

  # tts and whisperx are ready once all is loaded that is to be; the job API says that it is there.
  health_check {
    path                = each.value.service == "jobs" ? "/health" : "/ready"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_target_group" "function" {
  for_each    = toset(["machine", "reception"])
  name        = "${local.full_name}-${each.key}"
  target_type = "lambda"
  tags        = local.tags
}

# The rules, by priority: what always leads to functions, what names a place, and what is switched

resource "aws_lb_listener_rule" "function" {
  for_each     = { machine = { priority = 10, path = "/machine" }, reception = { priority = 20, path = "/accepted" } }
  listener_arn = aws_lb_listener.https.arn
  priority     = each.value.priority
  tags         = merge(local.tags, { Name = "${local.full_name}-${each.key}" })

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.function[each.key].arn
  }

  condition {
    path_pattern {
      values = [each.value.path, "${each.value.path}/*"]
    }
  }
}

# Also what keeps every target group in use: one that no rule leads to is not asked for its health.
resource "aws_lb_listener_rule" "place" {
  for_each     = local.targets
  listener_arn = aws_lb_listener.https.arn
  priority     = local.place_priorities[each.key]
  tags         = merge(local.tags, { Name = "${local.full_name}-${each.key}" })

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.machine[each.key].arn
  }

  condition {
    http_header {
      http_header_name = "X-Skylark-Place"
      values           = [each.value.colour]
    }
  }

  condition {
    path_pattern {
      values = local.paths[each.value.service]
    }
  }
}

# Where they lead is the functions' from here on: to a place of the machine, or to the reception while it is off.
resource "aws_lb_listener_rule" "switchable" {
  for_each     = toset(local.services)
  listener_arn = aws_lb_listener.https.arn
  priority     = local.priorities[each.key]
  tags         = merge(local.tags, { Name = "${local.full_name}-${each.key}" })

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.function["reception"].arn
  }

  condition {
    path_pattern {
      values = local.paths[each.key]
    }
  }

  lifecycle {
    ignore_changes = [action]
  }
}

locals {
  # ROUTES of the functions.
  routes = [
    for service in local.services : {
      rule    = aws_lb_listener_rule.switchable[service].arn
      service = service
      blue    = aws_lb_target_group.machine["${service}-blue"].arn
      green   = aws_lb_target_group.machine["${service}-green"].arn
    }
  ]
}
