"""Programs that measure Skylark and print ratios of one run; RESULTS.md keeps what they printed."""
