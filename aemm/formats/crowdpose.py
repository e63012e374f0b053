"""CrowdPose's json files: COCO's format without the areas of people, and with a crowd index of each image."""

from __future__ import annotations

AREA_PER_BOX = 0.53
"""Area of a person as a share of its box, as CrowdPose's own evaluation sizes people."""
