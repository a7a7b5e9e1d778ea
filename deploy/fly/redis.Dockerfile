# Redis as we need it; the password comes from the app's secrets. Nothing may be evicted: holds live here.
FROM redis:7-alpine
CMD ["sh", "-c", "exec redis-server --dir /data --bind 0.0.0.0 :: --port 6379 --appendonly yes --appendfsync everysec --save '' --maxmemory 768mb --maxmemory-policy noeviction --auto-aof-rewrite-min-size 256mb --auto-aof-rewrite-percentage 200 --rdbcompression no --zset-max-ziplist-entries 32 --requirepass \"${REDIS_PASSWORD:?}\""]
