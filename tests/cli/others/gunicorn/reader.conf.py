# gunicorn for the reader
import os
pythonpath = "/srv/reader/packages"
bind = "127.0.0.1:8014"
workers = 2
threads = 6
capture_output = True
enable_stdio_inheritance = True
#loglevel = "debug"
#preload_app = True
certfile = os.getenv('READER_CERTIFICATE')
keyfile = os.getenv('READER_SECRET')
logconfig_dict = {
    'version': 1,
    'disable_existing_loggers': True,
    "root": {"level": "WARNING", "handlers": ["mistakes", "visits"]},
    'loggers': {
        "gunicorn.error": {
            "level": "WARNING",
            "handlers": ["mistakes"],
            "propagate": 0,
            "qualname": "gunicorn.error"
        },
        "gunicorn.access": {
            "level": "WARNING",
            "handlers": ["visits"],
            "propagate": 0,
            "qualname": "gunicorn.access"
        }
    },
    'handlers': {
        "mistakes": {
            "class": "logging.handlers.RotatingFileHandler",
            "maxBytes": 2*1024*1024, # a little
            "backupCount": 3,
            "formatter": "short",
            #'delay': True,
            "filename": "/srv/reader/mistakes.log"
        },
        "visits": {
            "class": "logging.handlers.RotatingFileHandler",
            "maxBytes": 4*1024*1024,
            "backupCount": 3,
            "formatter": "short",
            "filename": "/srv/reader/visits.log"
        }
    },
    'formatters':{
        "short": {
            "format": "%(asctime)s %(message)s",
            "datefmt": "%d.%m. %H:%M",
            "class": "logging.Formatter"
        }
    }
}
