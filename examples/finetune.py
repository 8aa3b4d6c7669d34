"""A voice of one's own, from a data set to audio in the bucket, against the server of docs/finetune.md.

GPU_API=http://127.0.0.1:8000 python examples/finetune.py voice_dataset.zip
"""

import os
import sys
import time

import requests

GPU_API = os.environ.get("GPU_API", "http://127.0.0.1:8000")
POLL_S = float(os.environ.get("POLL_S", "30"))

# 0. (Optional) Generate reference audio via Voice Design
r = requests.post(
    f"{GPU_API}/voice-design",
    json={
        "text": "Test sentence for voice reference.",
        "instruct": "A warm male voice, middle-aged, calm",
        "s3_filename": "ref_voice.wav",
    },
)
print(f"Voice design: {r.json()['s3_url']}")

# 1. Fine-tune (one-time per voice)
with open(sys.argv[1], "rb") as f:
    r = requests.post(
        f"{GPU_API}/finetune",
        files={"dataset": f},
        data={"speaker_name": "hero_voice", "num_epochs": 10},
    )
job_id = r.json()["job_id"]

# 2. Wait for training
while True:
    r = requests.get(f"{GPU_API}/jobs/{job_id}")
    status = r.json()["status"]
    if status == "ready":
        break
    elif status == "failed":
        raise RuntimeError(r.json()["error"])
    time.sleep(POLL_S)

# 3. Generate audio → S3 (your main loop)
texts = [
    {"text": "Chapter one begins.", "filename": "ch1_001.wav"},
    {"text": "The hero stood tall.", "filename": "ch1_002.wav"},
]
r = requests.post(f"{GPU_API}/infer/{job_id}/batch", json={"items": texts, "language": "English"})
for item in r.json():
    print(f"Audio: {item['s3_url']}")

# 4. Check operation timing
r = requests.get(f"{GPU_API}/ops/averages")
print(f"Avg inference time: {r.json()['inference_custom_voice']['avg_seconds']}s")
