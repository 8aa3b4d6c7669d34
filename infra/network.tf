# The VPC, one of its own or an existing one, and who reaches whom in it.

locals {
  own_vpc = var.vpc == null
  vpc_id  = local.own_vpc ? aws_vpc.own[0].id : var.vpc.id

  # First the zones that have the machine's type. A load balancer needs two, also where only one has it, and reaches
  # no machine in a zone that is not its own. In each it has an address that is paid for: an instance needs no third.
  offered   = data.aws_ec2_instance_type_offerings.zones.locations # also in zones that have to be opted in to
  with_type = sort(setintersection(local.offered, data.aws_availability_zones.available.names))
  all_zones = distinct(concat(local.with_type, sort(data.aws_availability_zones.available.names)))
  zones     = local.own_vpc ? coalesce(var.availability_zones, slice(local.all_zones, 0, min(local.is_fleet ? 3 : 2, length(local.all_zones)))) : []

  # A zone's networks are its own, whichever others are taken, or are available today.
  numbers = { for number, zone in sort(data.aws_availability_zones.of_region.names) : zone => number }

  public_subnet_ids  = [for zone in local.zones : aws_subnet.public[zone].id]
  private_zones      = var.egress == "endpoints" ? local.zones : []
  machine_zones      = [for zone in local.zones : zone if contains(local.offered, zone)]
  own_machine_subnet = var.egress == "endpoints" ? aws_subnet.private : aws_subnet.public

  balancer_subnet_ids = local.own_vpc ? local.public_subnet_ids : var.vpc.balancer_subnet_ids
  machine_subnet_ids  = local.own_vpc ? [for zone in local.machine_zones : local.own_machine_subnet[zone].id] : var.vpc.machine_subnet_ids
}

data "aws_availability_zones" "available" {
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_availability_zones" "of_region" {
  all_availability_zones = true

  filter {
    name   = "zone-type"
    values = ["availability-zone"]
  }

  lifecycle {
    postcondition {
      condition     = length(setsubtract(coalesce(var.availability_zones, []), self.names)) == 0
      error_message = "availability_zones are zones of ${local.region}: ${join(", ", sort(self.names))}."
    }
  }
}

data "aws_ec2_instance_type_offerings" "zones" {
  location_type = "availability-zone"

  filter {
    name   = "instance-type"
    values = var.capacity == "fleet" ? var.instance_types : [var.instance_types[0]]
  }

  lifecycle {
    postcondition {
      condition     = anytrue([for zone in self.locations : contains(coalesce(var.availability_zones, self.locations), zone)])
      error_message = "${join(", ", var.availability_zones == null ? [local.region] : var.availability_zones)} has no ${join(" or ", var.capacity == "fleet" ? var.instance_types : [var.instance_types[0]])}: another region or zone is needed, or other instance_types."
    }
  }
}

resource "aws_vpc" "own" {
  count                = local.own_vpc ? 1 : 0
  cidr_block           = var.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = local.full_name })
}

resource "aws_internet_gateway" "own" {
  count  = local.own_vpc ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = merge(local.tags, { Name = local.full_name })
}

# The machine's public address is its subnet's to give: as an attribute of the machine it would be missed, and the
# machine replaced, whenever it is stopped.
resource "aws_subnet" "public" {
  for_each                = { for zone in local.zones : zone => local.numbers[zone] }
  vpc_id                  = aws_vpc.own[0].id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(var.vpc_cidr, 4, each.value)
  map_public_ip_on_launch = var.egress == "public_ip"
  tags                    = merge(local.tags, { Name = "${local.full_name}-public-${each.key}" })
}

resource "aws_subnet" "private" {
  for_each          = { for zone in local.private_zones : zone => local.numbers[zone] }
  vpc_id            = aws_vpc.own[0].id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, 8 + each.value)
  tags              = merge(local.tags, { Name = "${local.full_name}-private-${each.key}" })
}

resource "aws_route_table" "public" {
  count  = local.own_vpc ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = merge(local.tags, { Name = "${local.full_name}-public" })

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.own[0].id
  }
}

resource "aws_route_table_association" "public" {
  for_each       = aws_subnet.public
  subnet_id      = each.value.id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_route_table" "private" {
  count  = length(local.private_zones) > 0 ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = merge(local.tags, { Name = "${local.full_name}-private" })
}

resource "aws_route_table_association" "private" {
  for_each       = aws_subnet.private
  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[0].id
}

# Nothing has this group, and whoever forgets to name one reaches nothing.
resource "aws_default_security_group" "own" {
  count  = local.own_vpc ? 1 : 0
  vpc_id = aws_vpc.own[0].id
  tags   = merge(local.tags, { Name = "${local.full_name}-default" })
}

resource "aws_security_group" "balancer" {
  name        = "${local.full_name}-balancer"
  description = "Clients reach the load balancer, and it the machine"
  vpc_id      = local.vpc_id
  tags        = merge(local.tags, { Name = "${local.full_name}-balancer" })
}

resource "aws_security_group" "machine" {
  name        = "${local.full_name}-machine"
  description = "Only the load balancer reaches the machine"
  vpc_id      = local.vpc_id
  tags        = merge(local.tags, { Name = "${local.full_name}-machine" })
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each          = { for pair in setproduct(var.client_cidrs, [80, 443]) : "${pair[0]} ${pair[1]}" => { cidr = pair[0], port = pair[1] } }
  security_group_id = aws_security_group.balancer.id
  description       = each.value.port == 80 ? "Clients, who are led to HTTPS" : "Clients"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "balancer_to_machine" {
  for_each                     = local.ports
  security_group_id            = aws_security_group.balancer.id
  description                  = "The place ${each.key}"
  referenced_security_group_id = aws_security_group.machine.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.tts
  to_port                      = each.value.jobs
}

resource "aws_vpc_security_group_ingress_rule" "machine_from_balancer" {
  for_each                     = local.ports
  security_group_id            = aws_security_group.machine.id
  description                  = "The place ${each.key}"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.tts
  to_port                      = each.value.jobs
}

resource "aws_vpc_security_group_egress_rule" "machine" {
  count             = var.egress == "endpoints" ? 0 : 1
  security_group_id = aws_security_group.machine.id
  description       = "AWS: ECR, S3, DynamoDB, SSM and CloudWatch"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Endpoints instead of a way to the internet. Those of S3 and DynamoDB cost nothing; the others cost by zone, and are
# reached from the other zones too.

locals {
  endpoints        = var.egress == "endpoints" ? toset(["ec2messages", "ecr.api", "ecr.dkr", "monitoring", "ssm", "ssmmessages"]) : toset([])
  gateways         = local.own_vpc || var.egress == "endpoints" ? toset(["dynamodb", "s3"]) : toset([])
  route_table_ids  = local.own_vpc ? concat(aws_route_table.public[*].id, aws_route_table.private[*].id) : var.vpc.machine_route_table_ids
  endpoints_egress = var.egress == "endpoints" ? local.gateways : toset([])
}

resource "aws_vpc_endpoint" "gateway" {
  for_each          = local.gateways
  vpc_id            = local.vpc_id
  service_name      = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = local.route_table_ids
  tags              = merge(local.tags, { Name = "${local.full_name}-${each.key}" })
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = local.endpoints
  vpc_id              = local.vpc_id
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [local.machine_subnet_ids[0]]
  security_group_ids  = [aws_security_group.endpoints[0].id]
  tags                = merge(local.tags, { Name = "${local.full_name}-${each.key}" })
}

resource "aws_security_group" "endpoints" {
  count       = var.egress == "endpoints" ? 1 : 0
  name        = "${local.full_name}-endpoints"
  description = "The machine reaches the endpoints"
  vpc_id      = local.vpc_id
  tags        = merge(local.tags, { Name = "${local.full_name}-endpoints" })
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_from_machine" {
  count                        = var.egress == "endpoints" ? 1 : 0
  security_group_id            = aws_security_group.endpoints[0].id
  description                  = "The machine"
  referenced_security_group_id = aws_security_group.machine.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "machine_to_endpoints" {
  count                        = var.egress == "endpoints" ? 1 : 0
  security_group_id            = aws_security_group.machine.id
  description                  = "The endpoints"
  referenced_security_group_id = aws_security_group.endpoints[0].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "machine_to_gateways" {
  for_each          = local.endpoints_egress
  security_group_id = aws_security_group.machine.id
  description       = each.key
  prefix_list_id    = aws_vpc_endpoint.gateway[each.key].prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
