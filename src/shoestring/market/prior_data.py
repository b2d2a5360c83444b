"""Written by bench/fit_prior.py from 9 recordings of one-V100 spot availability, early 2023.

Source: the first 13.5 days (`fit`) of the development half of skypilot-org/spot-traces,
availability/1-node/aws-02-15-2023; sha256 over the files in order of their names:
d92fee07d29a87d7611bfbe9c8ac437e3bf3aac89e9a9d44f498f561538988eb.
"""

# fmt: off
SAMPLED_S = (600.0, 1800.0, 3600.0)
# middle of each age class, seconds; one row per sampling distance
AGE_S = (
    (300, 900, 1500, 2400, 3900, 6300, 10200,
     16500, 26400, 42000, 67200, 107700, 157500),
    (900, 2700, 4500, 7200, 11700, 18900,
     30600, 49500, 79200, 126000, 183600),
    (1800, 5400, 9000, 14400, 23400,
     37800, 61200, 99000, 145800),
)
# chance per hour that an up zone is lost
LOSS_PER_HOUR = (
    (1.887, 1.35, 1.11, 0.8154, 0.4367, 0.3224, 0.2314,
     0.1829, 0.1457, 0.1463, 0.1168, 0.0258, 0.02531),
    (0.9247, 0.4371, 0.4151, 0.2596, 0.1712, 0.1733,
     0.1196, 0.163, 0.04813, 0.04437, 0.0244),
    (0.432, 0.2401, 0.1962, 0.1827, 0.1165,
     0.1043, 0.1528, 0.04257, 0.02817),
)
# chance per hour that a down zone comes back
RETURN_PER_HOUR = (
    (1.534, 1.341, 0.8165, 0.5534, 0.2914, 0.2401, 0.2756,
     0.2715, 0.217, 0.1246, 0.1076, 0.05451, 0.02074),
    (0.6403, 0.3277, 0.2567, 0.2518, 0.3158, 0.2091,
     0.2064, 0.08165, 0.06194, 0.0392, 0.01593),
    (0.298, 0.207, 0.267, 0.2126, 0.1769,
     0.0834, 0.08129, 0.05797, 0.02471),
)
