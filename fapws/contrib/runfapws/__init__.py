"""``python manage.py runfapws``: with ``"fapws.contrib.runfapws"`` in a Django project's INSTALLED_APPS."""
